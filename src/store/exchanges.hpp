// What language models said, kept so that an answer that was paid for is never bought again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

class Exchanges {
 public:
  explicit Exchanges(Store& store) : connection_(&store.connection()) {}

  // The first answer to a request, endpoint and sample number is the one that is kept.
  Result<void> put(const ExchangeRecord& exchange);
  // The same, and notes in one transaction that it is the run's `ordinal`th.
  Result<void> put_for(const std::string& run_id, std::int64_t ordinal,
                       const ExchangeRecord& exchange);
  Result<std::optional<ExchangeRecord>> find(const std::string& request_hash,
                                             const std::string& endpoint, std::int64_t sample);
  // The first sample number that is free.
  Result<std::int64_t> next_sample(const std::string& request_hash, const std::string& endpoint);
  // All that the run took, in its order, those from earlier runs included.
  Result<std::vector<ExchangeRecord>> of_run(const std::string& run_id);

  Result<void> put_translation(const TranslationRecord& translation);
  Result<std::vector<TranslationRecord>> translations(const std::string& text);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
