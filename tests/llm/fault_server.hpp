// A chat endpoint on 127.0.0.1 that misbehaves as a test asks: a list of replies, one a request.
#pragma once

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "llm/http_endpoint.hpp"

namespace mtmc::llm {

using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

inline std::string good_reply(const std::string& answer) {
  return R"({"model":"m-served","choices":[{"index":0,"message":{"role":"assistant","content":")" +
         answer +
         R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}})";
}
inline Handler says(int status, std::string body, std::string type = "application/json") {
  return [=](const httplib::Request&, httplib::Response& response) {
    response.status = status;
    response.set_content(body, type.c_str());
  };
}

// Replies that do not come before `release`: the client's time limit ends the wait, not a clock
// here.
class Stall {
 public:
  Handler handler() {
    return [this](const httplib::Request&, httplib::Response& response) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return free_; });
      response.set_content("late", "text/plain");
    };
  }
  void release() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    released_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  bool free_ = false;
};

class FaultServer {
 public:
  // The last handler answers every further request.
  explicit FaultServer(std::vector<Handler> handlers, std::unique_ptr<httplib::Server> server =
                                                          std::make_unique<httplib::Server>())
      : owned_(std::move(server)), server_(*owned_), handlers_(std::move(handlers)) {
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      const std::size_t n = requests_++;
      {
        const std::lock_guard lock(mutex_);
        bodies.push_back(request.body);
        paths.push_back(request.path);
        authorization = request.get_header_value("Authorization");
      }
      handlers_[std::min(n, handlers_.size() - 1)](request, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~FaultServer() {
    server_.stop();
    thread_.join();
  }
  // Events that come one by one; with `cut`, the connection goes before the end.
  static Handler streams(std::vector<std::string> events, bool cut = false) {
    return [events, cut](const httplib::Request&, httplib::Response& response) {
      std::string text;
      for (const auto& e : events) text += e + "\n\n";
      if (cut) {
        response.set_content_provider(text.size() + 1000, "text/event-stream",
                                      [text](std::size_t at, std::size_t, httplib::DataSink& sink) {
                                        if (at > 0) return false;
                                        return sink.write(text.data(), text.size());
                                      });
        return;
      }
      response.set_chunked_content_provider(
          "text/event-stream; charset=utf-8", [text](std::size_t at, httplib::DataSink& sink) {
            if (at >= text.size()) {
              sink.done();
              return true;
            }
            return sink.write(text.data() + at, std::min<std::size_t>(7, text.size() - at));
          });
    };
  }
  // Half a reply, and then the connection goes.
  static Handler cuts() {
    return [](const httplib::Request&, httplib::Response& response) {
      response.set_content_provider(1000, "application/json",
                                    [](std::size_t at, std::size_t, httplib::DataSink& sink) {
                                      if (at > 0) return false;
                                      return sink.write("{\"choices\":", 11);
                                    });
    };
  }
  std::string url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/v1";
  }
  int requests() const { return static_cast<int>(requests_); }

  std::vector<std::string> bodies, paths;  // read them after the calls have returned
  std::string authorization;

 private:
  std::unique_ptr<httplib::Server> owned_;
  httplib::Server& server_;
  std::vector<Handler> handlers_;
  std::atomic<std::size_t> requests_{0};
  std::mutex mutex_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace mtmc::llm
