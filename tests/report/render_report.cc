// Renders report data as quantctl does, without a coordinator: for tests of the pages.
//
//   render_report DATA.json FOLDER LANGUAGE [--no-pdf]
//
// LANGUAGE: zh, en, both. Notes go to standard error; exit code 1 where there was one.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/files.h"
#include "base/messages/message_catalogue.h"
#include "client/results/render.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

absl::StatusOr<ReportData> Load(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, 64 << 20);
  if (!text.ok()) return text.status();
  v1::ReportData message;
  if (const absl::Status status = FromJson(*text, &message); !status.ok()) return status;
  return FromProto(message);
}

int RenderData(const std::string& path, const std::filesystem::path& folder, const std::string& language,
               bool pdf) {
  const absl::StatusOr<ReportData> data = Load(path);
  const auto languages = report::ParseLanguages(language);
  if (!data.ok() || !languages.ok()) {
    std::fprintf(stderr, "%s\n", (data.ok() ? languages.status() : data.status()).ToString().c_str());
    return 2;
  }
  client::RenderOptions options;
  options.languages = *languages;
  options.pdf = pdf;
  const auto rendered = client::RenderFiles(*data, options);
  if (!rendered.ok()) {
    std::fprintf(stderr, "%s\n", rendered.status().ToString().c_str());
    return 2;
  }
  for (const client::TextFile& file : rendered->files) {
    std::filesystem::create_directories((folder / file.path).parent_path());
    std::ofstream(folder / file.path, std::ios::binary) << file.content;
  }
  for (const Message& note : rendered->notes) std::fprintf(stderr, "%s\n", English(note).c_str());
  return rendered->notes.empty() ? 0 : 1;
}

}  // namespace
}  // namespace quantlab

int main(int argc, char** argv) {
  const bool pdf = argc == 4;
  if (!pdf && (argc != 5 || std::string(argv[4]) != "--no-pdf")) {
    std::fprintf(stderr, "usage: render_report DATA.json FOLDER LANGUAGE [--no-pdf]\n");
    return 2;
  }
  return quantlab::RenderData(argv[1], argv[2], argv[3], pdf);
}
