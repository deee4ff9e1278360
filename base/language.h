// The languages in which the programs write to people.
#ifndef QUANTLAB_BASE_LANGUAGE_H_
#define QUANTLAB_BASE_LANGUAGE_H_

namespace quantlab {

enum class Language { kChinese, kEnglish };

}  // namespace quantlab

#endif  // QUANTLAB_BASE_LANGUAGE_H_
