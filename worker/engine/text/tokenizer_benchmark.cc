// How fast texts become ids, in one thread. Prints one JSON object a repetition:
//   tokenizer_benchmark MODEL_FOLDER MAX_LENGTH REPETITIONS < texts, one a line
// benchmarks/tokenizer/compare.py sets it beside Hugging Face `tokenizers`.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "worker/engine/text/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: tokenizer_benchmark MODEL_FOLDER MAX_LENGTH REPETITIONS < texts\n");
    return 2;
  }
  const auto tokenizer = quantlab::engine::Tokenizer::Load(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  const int max_length = std::atoi(argv[2]), repetitions = std::atoi(argv[3]);
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
  for (int i = 0; i < repetitions; ++i) {
    const std::clock_t start = std::clock();
    size_t tokens = 0;
    for (const std::string& text : texts) tokens += (*tokenizer)->Encode(text, max_length).size();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("{\"tokens\": %zu, \"cpu_seconds\": %.6f}\n", tokens, seconds);
  }
}
