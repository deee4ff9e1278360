#include "report/text/references.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace quantlab::report {
namespace {

// References of single methods.
const char* MethodText(Source source) {
  switch (source) {
    case Source::kAttention:
      return "Vaswani A., Shazeer N., Parmar N., Uszkoreit J., Jones L., Gomez A. N., Kaiser Ł., Polosukhin "
             "I. "
             "Attention Is All You Need. NeurIPS 2017. arXiv:1706.03762.";
    case Source::kStraightThrough:
      return "Bengio Y., Léonard N., Courville A. Estimating or Propagating Gradients Through Stochastic "
             "Neurons "
             "for Conditional Computation. 2013. arXiv:1308.3432.";
    case Source::kLsq:
      return "Esser S. K., McKinstry J. L., Bablani D., Appuswamy R., Modha D. S. Learned Step Size "
             "Quantization. "
             "ICLR 2020. arXiv:1902.08153.";
    case Source::kDistillation:
      return "Hinton G., Vinyals O., Dean J. Distilling the Knowledge in a Neural Network. 2015. "
             "arXiv:1503.02531.";
    case Source::kSmoothQuant:
      return "Xiao G., Lin J., Seznec M., Wu H., Demouth J., Han S. SmoothQuant: Accurate and Efficient "
             "Post-Training Quantization for Large Language Models. ICML 2023. arXiv:2211.10438.";
    case Source::kGptq:
      return "Frantar E., Ashkboos S., Hoefler T., Alistarh D. GPTQ: Accurate Post-Training Quantization for "
             "Generative Pre-trained Transformers. ICLR 2023. arXiv:2210.17323.";
    case Source::kHawq:
      return "Dong Z., Yao Z., Gholami A., Mahoney M. W., Keutzer K. HAWQ: Hessian AWare Quantization of "
             "Neural "
             "Networks with Mixed-Precision. ICCV 2019, 293–302. arXiv:1905.03696.";
    case Source::kBf16:
      return "Kalamkar D. et al. A Study of BFLOAT16 for Deep Learning Training. 2019. arXiv:1905.12322.";
    case Source::kFp8:
      return "Micikevicius P. et al. FP8 Formats for Deep Learning. 2022. arXiv:2209.05433.";
    default:
      return "";
  }
}

const char* Text(Source source) {
  switch (source) {
    case Source::kBert:
      return "Devlin J., Chang M.-W., Lee K., Toutanova K. BERT: Pre-training of Deep Bidirectional "
             "Transformers for Language Understanding. NAACL-HLT 2019, 4171–4186. arXiv:1810.04805.";
    case Source::kMiniLm:
      return "Wang W., Wei F., Dong L., Bao H., Yang N., Zhou M. MiniLM: Deep Self-Attention Distillation "
             "for "
             "Task-Agnostic Compression of Pre-Trained Transformers. NeurIPS 2020. arXiv:2002.10957.";
    case Source::kSentenceBert:
      return "Reimers N., Gurevych I. Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks. "
             "EMNLP-IJCNLP 2019, 3982–3992. arXiv:1908.10084.";
    case Source::kImdb:
      return "Maas A. L., Daly R. E., Pham P. T., Huang D., Ng A. Y., Potts C. Learning Word Vectors for "
             "Sentiment Analysis. ACL 2011, 142–150.";
    case Source::kInteger:
      return "Jacob B., Kligys S., Chen B., Zhu M., Tang M., Howard A., Adam H., Kalenichenko D. "
             "Quantization "
             "and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference. CVPR 2018, "
             "2704–2713. arXiv:1712.05877.";
    case Source::kWhitePaper:
      return "Nagel M., Fournarakis M., Amjad R. A., Bondarenko Y., van Baalen M., Blankevoort T. A White "
             "Paper on Neural Network Quantization. 2021. arXiv:2106.08295.";
    case Source::kQ8Bert:
      return "Zafrir O., Boudoukh G., Izsak P., Wasserblat M. Q8BERT: Quantized 8Bit BERT. EMC2 workshop at "
             "NeurIPS 2019. arXiv:1910.06188.";
    case Source::kAdamW:
      return "Loshchilov I., Hutter F. Decoupled Weight Decay Regularization. ICLR 2019. arXiv:1711.05101.";
    case Source::kPyTorch:
      return "Paszke A. et al. PyTorch: An Imperative Style, High-Performance Deep Learning Library. NeurIPS "
             "2019. arXiv:1912.01703.";
    case Source::kWilson:
      return "Wilson E. B. Probable Inference, the Law of Succession, and Statistical Inference. Journal of "
             "the American Statistical Association 22(158), 1927, 209–212.";
    case Source::kMcNemar:
      return "McNemar Q. Note on the sampling error of the difference between correlated proportions or "
             "percentages. Psychometrika 12(2), 1947, 153–157.";
    case Source::kBootstrap:
      return "Efron B. Bootstrap Methods: Another Look at the Jackknife. The Annals of Statistics 7(1), "
             "1979, "
             "1–26.";
    case Source::kHolm:
      return "Holm S. A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian Journal of "
             "Statistics 6(2), 1979, 65–70.";
    default:
      return MethodText(source);
  }
}

}  // namespace

std::string References::Cite(Source source) {
  auto it = std::find(cited_.begin(), cited_.end(), source);
  if (it == cited_.end()) it = cited_.insert(cited_.end(), source);
  return absl::StrCat("\\[", it - cited_.begin() + 1, "\\]");
}

std::string References::List() const {
  std::string list;
  for (size_t i = 0; i < cited_.size(); ++i) absl::StrAppend(&list, i + 1, ". ", Text(cited_[i]), "\n");
  return list;
}

}  // namespace quantlab::report
