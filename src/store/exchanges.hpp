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
  Result<std::optional<ExchangeRecord>> find(const std::string& request_hash,
                                             const std::string& endpoint, std::int64_t sample);
  // In the order of asking.
  Result<std::vector<ExchangeRecord>> of_run(const std::string& run_id);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
