// Internal to the reference: what is known of one tensor, in pages that come into being when
// touched.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace mtmc::op {

class TensorMemory {
 public:
  static constexpr std::int64_t kPage = 1024;
  static constexpr std::int64_t kMaxElements = std::int64_t{1}
                                               << 34;  // beyond, the table itself is too large

  TensorMemory(std::int64_t elements, bool has_errors)
      : elements_(elements), has_errors_(has_errors) {}

  std::int64_t elements() const { return elements_; }
  bool has_errors() const { return has_errors_; }
  bool is_complete() const { return known_ == elements_; }
  // Bytes that a page costs, and that all pages do.
  std::int64_t page_bytes() const {
    return kPage * (has_errors_ ? 16 : 8) + static_cast<std::int64_t>(sizeof(Page));
  }
  std::int64_t total_bytes() const { return (elements_ + kPage - 1) / kPage * (page_bytes() + 8); }

  bool has_page(std::int64_t at) const { return !pages_.empty() && pages_[index(at)]; }
  void make_page(std::int64_t at) {
    if (pages_.empty()) pages_.resize(static_cast<std::size_t>((elements_ + kPage - 1) / kPage));
    auto page = std::make_unique<Page>();
    page->values.resize(kPage * (has_errors_ ? 2 : 1));
    pages_[index(at)] = std::move(page);
  }
  bool knows(std::int64_t at) const { return has_page(at) && pages_[index(at)]->known[offset(at)]; }
  double value(std::int64_t at) const { return pages_[index(at)]->values[offset(at)]; }
  double error(std::int64_t at) const {
    return has_errors_ ? pages_[index(at)]->values[kPage + offset(at)] : 0;
  }
  // Values from `at` to the end of its page. REQUIRES: has_page(at).
  const double* run(std::int64_t at) const { return pages_[index(at)]->values.data() + offset(at); }
  static std::int64_t left_in_page(std::int64_t at) { return kPage - at % kPage; }

  // The values of a fresh page, all of which the caller fills. REQUIRES: has_page(at), at begins
  // it.
  std::span<double> fill_page(std::int64_t at, std::int64_t count) {
    Page& page = *pages_[index(at)];
    for (std::int64_t k = 0; k < count; ++k) page.known[static_cast<std::size_t>(k)] = true;
    known_ += count;
    return {page.values.data(), static_cast<std::size_t>(count)};
  }

  // REQUIRES: has_page(at).
  void set(std::int64_t at, double value, double error) {
    Page& page = *pages_[index(at)];
    page.values[offset(at)] = value;
    if (has_errors_) page.values[kPage + offset(at)] = error;
    if (!page.known[offset(at)]) ++known_;
    page.known[offset(at)] = true;
  }

 private:
  struct Page {
    std::vector<double> values;  // then errors
    std::bitset<kPage> known;
  };
  static std::size_t index(std::int64_t at) { return static_cast<std::size_t>(at / kPage); }
  static std::size_t offset(std::int64_t at) { return static_cast<std::size_t>(at % kPage); }

  std::int64_t elements_;
  bool has_errors_;
  std::int64_t known_ = 0;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace mtmc::op
