// The works that a report cites, numbered in the order of citation.
#ifndef QUANTLAB_REPORT_TEXT_REFERENCES_H_
#define QUANTLAB_REPORT_TEXT_REFERENCES_H_

#include <string>
#include <vector>

namespace quantlab::report {

enum class Source {
  kBert,
  kMiniLm,
  kSentenceBert,
  kImdb,
  kInteger,     // Jacob et al.
  kWhitePaper,  // Nagel et al.
  kQ8Bert,
  kAdamW,
  kPyTorch,
  kWilson,
  kMcNemar,
  kBootstrap,
  kHolm,
  kAttention,        // Vaswani et al.
  kStraightThrough,  // Bengio et al.
  kLsq,
  kDistillation,  // Hinton et al.
  kSmoothQuant,
  kGptq,
  kHawq,
  kBf16,
  kFp8,
};

class References {
 public:
  // "[3]"; a source keeps its number.
  std::string Cite(Source source);
  // The numbered list of cited works, as Markdown.
  std::string List() const;

 private:
  std::vector<Source> cited_;
};

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_REFERENCES_H_
