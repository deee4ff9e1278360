// Reads the settings of a section of an experiment file by the table in base/config/settings.h.
#ifndef QUANTLAB_SERVER_CONFIG_SETTINGS_READER_H_
#define QUANTLAB_SERVER_CONFIG_SETTINGS_READER_H_

#include "absl/strings/string_view.h"
#include "base/config/settings.h"
#include "yaml/fields.h"

namespace quantlab {

// Takes every setting of `Section` from `fields`, whose path is the section's, except the key `skip`, which
// the caller reads. Missing and wrong values leave `section` unchanged. Keys below a map
// ("latency.batch_sizes") are read from it, and its unknown keys are reported; those of `fields` are left to
// the caller's Done().
template <typename Section>
void ReadSettings(Fields& fields, Diagnostics& diagnostics, Section* section, absl::string_view skip = "");

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_SETTINGS_READER_H_
