// Identity of an answer: request, endpoint and sample number.
#include "store/exchanges.hpp"

#include "store/connection.hpp"
#include "store/keys.hpp"

namespace mtmc::store {

namespace {

constexpr char kColumns[] =
    "SELECT request_hash, endpoint, sample, role, run_id, model, request_json, answer, "
    "prompt_tokens, completion_tokens, latency_ms, price_usd, finish_reason, created_at_ms "
    "FROM exchanges ";

ExchangeRecord read_exchange(Cursor& c) {
  return {c.text(),    c.text(), c.integer(),    c.text(), c.text(), c.text(), c.text(), c.text(),
          c.integer(), c.integer(), c.real(), c.maybe_real(), c.text(), c.integer()};
}

std::string key_of(const std::string& request_hash, const std::string& endpoint,
                   std::int64_t sample) {
  return content_key({"exchange", request_hash, endpoint, std::to_string(sample)});
}

}  // namespace

Result<void> Exchanges::put(const ExchangeRecord& e) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT INTO exchanges (key, request_hash, endpoint, sample, role, run_id, model, "
            "request_json, answer, prompt_tokens, completion_tokens, latency_ms, price_usd, "
            "finish_reason, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            key_of(e.request_hash, e.endpoint, e.sample), e.request_hash, e.endpoint, e.sample,
            e.role, null_if_empty(e.run_id), e.model, e.request_json, e.answer, e.prompt_tokens,
            e.completion_tokens, e.latency_ms, e.price_usd, e.finish_reason,
            connection_->now_ms());
  });
}

Result<std::optional<ExchangeRecord>> Exchanges::find(const std::string& request_hash,
                                                      const std::string& endpoint,
                                                      std::int64_t sample) {
  return connection_->read<std::optional<ExchangeRecord>>([&](SQLite::Database& db) {
    return first(db, std::string(kColumns) + "WHERE key = ?", read_exchange,
                 key_of(request_hash, endpoint, sample));
  });
}

Result<std::vector<ExchangeRecord>> Exchanges::of_run(const std::string& run_id) {
  return connection_->read<std::vector<ExchangeRecord>>([&](SQLite::Database& db) {
    return all(db, std::string(kColumns) + "WHERE run_id = ? ORDER BY created_at_ms, rowid",
               read_exchange, run_id);
  });
}

}  // namespace mtmc::store
