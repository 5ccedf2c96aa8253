#include "store/baselines.hpp"

#include <cmath>

#include "store/connection.hpp"
#include "store/evidence_rows.hpp"
#include "store/keys.hpp"

namespace mtmc::store {

Result<void> Baselines::put(const BaselineRecord& b) {
  if (!std::isfinite(b.measured_ns) || b.measured_ns <= 0)
    return internal_error("the baseline of task " + b.task_id + " is " +
                          std::to_string(b.measured_ns) + " ns");
  return connection_->write<void>([&](SQLite::Database& db) {
    const std::string samples = blob_of(b.samples_ns);
    SQLite::Statement s(db,
                        "INSERT INTO baselines (id, task_id, operator_json, device, framework, "
                        "mode, precision_json, protocol, "
                        "measured_ns, busy_ns, wall_ns, samples, details_json, created_at_ms) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_all(s, random_id(), b.task_id, b.operator_json, b.device, b.framework, b.mode,
             b.precision_json, b.protocol, b.measured_ns, b.busy_ns, b.wall_ns);
    s.bind(12, static_cast<const void*>(samples.data()), static_cast<int>(samples.size()));
    s.bind(13, b.details_json);
    s.bind(14, connection_->now_ms());
    s.exec();
  });
}

Result<std::vector<BaselineRecord>> Baselines::newest(const std::string& task_id,
                                                      const std::string& device) {
  return connection_->read<std::vector<BaselineRecord>>([&](SQLite::Database& db) {
    return all(
        db,
        "SELECT task_id, operator_json, device, framework, mode, precision_json, protocol, "
        "measured_ns, busy_ns, wall_ns, samples, "
        "details_json, created_at_ms FROM baselines b WHERE task_id = ? AND device = ? AND rowid = "
        "(SELECT rowid FROM baselines c WHERE "
        "c.task_id = b.task_id AND c.device = b.device AND c.mode = b.mode AND c.precision_json = "
        "b.precision_json AND c.protocol = "
        "b.protocol ORDER BY created_at_ms DESC, rowid DESC LIMIT 1) ORDER BY mode DESC, "
        "precision_json",
        [](Cursor& c) {
          return BaselineRecord{c.text(),
                                c.text(),
                                c.text(),
                                c.text(),
                                c.text(),
                                c.text(),
                                c.text(),
                                c.real(),
                                c.maybe_real(),
                                c.maybe_real(),
                                samples_of(c.bytes()),
                                c.text(),
                                c.integer()};
        },
        task_id, device);
  });
}

}  // namespace mtmc::store
