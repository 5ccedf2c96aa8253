// Tables are written with their column names and read by them, so that a database with more columns
// than the file still takes it. Blobs travel as {"base64": ...}.
#include "store/transfer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/frame.hpp"
#include "store/connection.hpp"
#include "store/migrations.hpp"

namespace mtmc::store {

using nlohmann::json;

namespace {

// In the order in which rows may refer to one another.
constexpr const char* kTables[] = {"regions",  "candidates",     "compiles",
                                   "verdicts", "modelled_times", "measured_times",
                                   "bounds",   "ceilings",       "baselines"};

json value_of(const SQLite::Column& c) {
  if (c.isNull()) return nullptr;
  if (c.isInteger()) return c.getInt64();
  if (c.isFloat()) return c.getDouble();
  if (c.isBlob()) return {{"base64", to_base64(c.getString())}};
  return c.getString();
}

json table_of(SQLite::Database& db, const std::string& name) {
  SQLite::Statement s(db, "SELECT * FROM " + name + " ORDER BY 1");
  json columns = json::array(), rows = json::array();
  for (int i = 0; i < s.getColumnCount(); ++i) columns.push_back(s.getColumnName(i));
  while (s.executeStep()) {
    json row = json::array();
    for (int i = 0; i < s.getColumnCount(); ++i) row.push_back(value_of(s.getColumn(i)));
    rows.push_back(std::move(row));
  }
  return {{"columns", columns}, {"rows", rows}};
}

// What a file may name: the columns that the table has.
std::vector<std::string> columns_of(SQLite::Database& db, const std::string& table) {
  return all(
      db, "SELECT name FROM pragma_table_info(?)", [](Cursor& c) { return c.text(); }, table);
}

Result<std::string> bind_value(SQLite::Statement& s, int at, const json& value) {
  if (value.is_null()) {
    s.bind(at);
  } else if (value.is_number_integer()) {
    s.bind(at, value.get<std::int64_t>());
  } else if (value.is_number()) {
    s.bind(at, value.get<double>());
  } else if (value.is_string()) {
    s.bind(at, value.get_ref<const std::string&>());
  } else if (value.is_object() && value.contains("base64") && value["base64"].is_string()) {
    auto bytes = from_base64(value["base64"].get<std::string>());
    if (!bytes) return bad_input(bytes.error().message);
    s.bind(at, static_cast<const void*>(bytes->data()), static_cast<int>(bytes->size()));
  } else {
    return bad_input("a value of no column's type");
  }
  return std::string();
}

// Thrown inside the transaction, so that it is rolled back, and caught by merge_evidence.
struct Refused {
  std::string why;
};

void merge_table(SQLite::Database& db, const std::string& name, const json& table, Merged& merged) {
  const auto known = columns_of(db, name);
  std::string columns, marks;
  for (const auto& column : table.at("columns")) {
    const auto word = column.get<std::string>();
    if (std::find(known.begin(), known.end(), word) == known.end())
      throw Refused{"table " + name + " has no column '" + word.substr(0, 64) + "'"};
    columns += (columns.empty() ? "" : ", ") + word;
    marks += marks.empty() ? "?" : ", ?";
  }
  SQLite::Statement s(
      db, "INSERT OR IGNORE INTO " + name + " (" + columns + ") VALUES (" + marks + ")");
  for (const auto& row : table.at("rows")) {
    if (row.size() != table.at("columns").size())
      throw Refused{"a row of table " + name + " has another number of values than the table"};
    for (std::size_t i = 0; i < row.size(); ++i)
      if (auto ok = bind_value(s, static_cast<int>(i) + 1, row[i]); !ok)
        throw Refused{"table " + name + ": " + ok.error().message};
    ++merged.rows;
    merged.added += s.exec();
    s.reset();
  }
}

}  // namespace

Result<json> export_evidence(Store& store) {
  return store.connection().read<json>([](SQLite::Database& db) {
    json tables = json::object();
    for (const char* name : kTables) tables[name] = table_of(db, name);
    return json{{"format", "mtmc evidence"}, {"schema", newest_version()}, {"tables", tables}};
  });
}

Result<Merged> merge_evidence(Store& store, const json& evidence) {
  if (!evidence.is_object() || evidence.value("format", json()) != "mtmc evidence" ||
      !evidence.value("tables", json()).is_object())
    return bad_input("the file holds no evidence of mtmc");
  if (evidence.value("schema", json()) > newest_version())
    return bad_input("the evidence is of a newer mtmc: merge it with that one");
  std::string refused;
  auto merged = store.connection().write<Merged>([&](SQLite::Database& db) {
    db.exec("PRAGMA defer_foreign_keys = ON");  // a candidate may stand before its parent
    Merged counts;
    for (const char* name : kTables) {
      if (!evidence["tables"].contains(name)) continue;
      try {
        merge_table(db, name, evidence["tables"][name], counts);
      } catch (const Refused& e) {
        refused = e.why;
        throw std::runtime_error(refused);
      } catch (const json::exception& e) {
        refused = std::string("table ") + name + " is of another form: " + e.what();
        throw std::runtime_error(refused);
      }
    }
    return counts;
  });
  if (!refused.empty()) return bad_input(refused);
  return merged;
}

}  // namespace mtmc::store
