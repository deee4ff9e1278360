// Names of identities and hosts: they appear in certificates, file names and logs without being quoted.
#ifndef QUANTLAB_SECURITY_PLAIN_NAME_H_
#define QUANTLAB_SECURITY_PLAIN_NAME_H_

#include "absl/strings/string_view.h"

namespace quantlab {

// 1 to 64 of [A-Za-z0-9._-], the first a letter or a digit.
bool IsPlainName(absl::string_view name);

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_PLAIN_NAME_H_
