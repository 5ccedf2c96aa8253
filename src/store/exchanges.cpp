// Identity of an answer: request, endpoint and sample number.
#include "store/exchanges.hpp"

#include "store/connection.hpp"
#include "store/keys.hpp"

namespace mtmc::store {

namespace {

constexpr char kColumns[] =
    "SELECT request_hash, endpoint, sample, role, e.run_id, model, request_json, answer, "
    "prompt_tokens, completion_tokens, latency_ms, price_usd, finish_reason, created_at_ms, "
    "problem, cached_tokens, tokens_estimated ";

ExchangeRecord read_exchange(Cursor& c) {
  ExchangeRecord e{c.text(),    c.text(),    c.integer(), c.text(),       c.text(),
                   c.text(),    c.text(),    c.text(),    c.integer(),    c.integer(),
                   c.real(),    c.maybe_real(), c.text(), c.integer(),    c.text()};
  e.cached_tokens = c.integer();
  e.tokens_estimated = c.integer() != 0;
  return e;
}

std::string key_of(const std::string& request_hash, const std::string& endpoint,
                   std::int64_t sample) {
  return content_key({"exchange", request_hash, endpoint, std::to_string(sample)});
}
std::string key_of(const ExchangeRecord& e) { return key_of(e.request_hash, e.endpoint, e.sample); }

void insert(SQLite::Database& db, const ExchangeRecord& e, std::int64_t now_ms) {
  execute(db,
          "INSERT INTO exchanges (key, request_hash, endpoint, sample, role, run_id, model, "
          "request_json, answer, prompt_tokens, completion_tokens, latency_ms, price_usd, "
          "finish_reason, created_at_ms, problem, cached_tokens, tokens_estimated) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          key_of(e), e.request_hash, e.endpoint, e.sample, e.role, null_if_empty(e.run_id), e.model,
          e.request_json, e.answer, e.prompt_tokens, e.completion_tokens, e.latency_ms, e.price_usd,
          e.finish_reason, now_ms, e.problem, e.cached_tokens,
          std::int64_t{e.tokens_estimated ? 1 : 0});
}

}  // namespace

Result<void> Exchanges::put(const ExchangeRecord& e) {
  return connection_->write<void>(
      [&](SQLite::Database& db) { insert(db, e, connection_->now_ms()); });
}

Result<void> Exchanges::put_for(const std::string& run_id, std::int64_t ordinal,
                                const ExchangeRecord& e) {
  return connection_->write<void>([&](SQLite::Database& db) {
    insert(db, e, connection_->now_ms());
    execute(db,
            "INSERT INTO run_exchanges (run_id, ordinal, key, charged) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            run_id, ordinal, key_of(e), std::int64_t{e.charged ? 1 : 0});
  });
}

Result<std::int64_t> Exchanges::next_sample(const std::string& request_hash,
                                            const std::string& endpoint) {
  return connection_->read<std::int64_t>([&](SQLite::Database& db) {
    return *first(db,
                  "SELECT coalesce(max(sample) + 1, 0) FROM exchanges WHERE request_hash = ? AND "
                  "endpoint = ?",
                  [](Cursor& c) { return c.integer(); }, request_hash, endpoint);
  });
}

Result<std::optional<ExchangeRecord>> Exchanges::find(const std::string& request_hash,
                                                      const std::string& endpoint,
                                                      std::int64_t sample) {
  return connection_->read<std::optional<ExchangeRecord>>([&](SQLite::Database& db) {
    return first(db, std::string(kColumns) + "FROM exchanges e WHERE key = ?", read_exchange,
                 key_of(request_hash, endpoint, sample));
  });
}

Result<std::vector<ExchangeRecord>> Exchanges::of_run(const std::string& run_id) {
  return connection_->read<std::vector<ExchangeRecord>>([&](SQLite::Database& db) {
    return all(db,
               std::string(kColumns) +
                   ", t.charged FROM run_exchanges t JOIN exchanges e ON e.key = t.key WHERE "
                   "t.run_id = ? ORDER BY t.ordinal",
               [](Cursor& c) {
                 ExchangeRecord e = read_exchange(c);
                 e.charged = c.integer() != 0;
                 return e;
               },
               run_id);
  });
}

Result<void> Exchanges::put_translation(const TranslationRecord& t) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT INTO translations (text, line, model, created_at_ms) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            t.text, t.line, t.model, connection_->now_ms());
  });
}

Result<std::vector<TranslationRecord>> Exchanges::translations(const std::string& text) {
  return connection_->read<std::vector<TranslationRecord>>([&](SQLite::Database& db) {
    return all(db,
               "SELECT text, line, model, created_at_ms FROM translations WHERE text = ? ORDER BY "
               "created_at_ms, rowid",
               [](Cursor& c) {
                 return TranslationRecord{c.text(), c.text(), c.text(), c.integer()};
               },
               text);
  });
}

}  // namespace mtmc::store
