// An endpoint that remembers: every exchange goes into the store, and a request that a run has asked before is answered from
// there, so that a resumed run pays for no answer twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "llm/endpoint.hpp"
#include "store/store.hpp"

namespace mtmc::search {

class StoredEndpoint : public llm::Endpoint {
 public:
  // Both outlive it. Not thread safe (the store belongs to one thread).
  StoredEndpoint(llm::Endpoint& inner, store::Store& store, std::string run_id, bool reuse)
      : inner_(inner), store_(store), run_id_(std::move(run_id)), reuse_(reuse) {}

  std::string name() const override { return inner_.name(); }
  Result<llm::Exchange> complete(const llm::Request& request) override;
  std::uint64_t calls() const { return calls_; }  // that reached the inner endpoint and were answered

 private:
  llm::Endpoint& inner_;
  store::Store& store_;
  std::string run_id_;
  bool reuse_;
  std::map<std::string, std::int64_t> asked_;  // request hash -> times
  std::uint64_t calls_ = 0;
};

}  // namespace mtmc::search
