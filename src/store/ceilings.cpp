#include "store/ceilings.hpp"

#include "store/connection.hpp"

namespace mtmc::store {

Result<void> Ceilings::put(const CeilingsRecord& c) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT OR REPLACE INTO ceilings (device, driver, version, protocol, copy_bytes_per_s, "
            "fp32_flops, tf32_flops, bf16_flops, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            c.key.device, c.key.driver, c.key.version, c.protocol, c.copy_bytes_per_s, c.fp32_flops,
            c.tf32_flops, c.bf16_flops, connection_->now_ms());
  });
}

Result<std::optional<CeilingsRecord>> Ceilings::find(const CeilingsKey& key) {
  return connection_->read<std::optional<CeilingsRecord>>([&](SQLite::Database& db) {
    return first(
        db,
        "SELECT device, driver, version, protocol, copy_bytes_per_s, fp32_flops, tf32_flops, "
        "bf16_flops, created_at_ms FROM ceilings WHERE device = ? AND driver = ? AND version = ?",
        [](Cursor& c) {
          return CeilingsRecord{{c.text(), c.text(), c.integer()},
                                c.text(),
                                c.real(),
                                c.real(),
                                c.real(),
                                c.real(),
                                c.integer()};
        },
        key.device, key.driver, key.version);
  });
}

}  // namespace mtmc::store
