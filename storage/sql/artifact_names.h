// Conditions of SQL on the names of artifacts, for statements that read the table `artifacts`. Like the C++
// code that decides by names, they distinguish capitals, which LIKE does not.
#ifndef QUANTLAB_STORAGE_SQL_ARTIFACT_NAMES_H_
#define QUANTLAB_STORAGE_SQL_ARTIFACT_NAMES_H_

#define QL_IS_MODEL "(substr(artifacts.name, 1, 6) = 'model/')"
#define QL_IS_CHECKPOINT "(substr(artifacts.name, 1, 11) = 'checkpoint/')"

#endif  // QUANTLAB_STORAGE_SQL_ARTIFACT_NAMES_H_
