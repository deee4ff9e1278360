#include "server/service/rpc/open_calls.h"

#include <utility>
#include <vector>

#include <grpc/grpc.h>

namespace quantlab {
namespace {

// Unlike TryCancel, this tells the caller why, also one that does not read what it was sent.
void Cut(grpc_call* call, const absl::Status& status) {
  const std::string text(status.message());
  grpc_call_cancel_with_status(call, static_cast<grpc_status_code>(status.code()), text.c_str(), nullptr);
}

}  // namespace

std::shared_ptr<void> OpenCalls::Add(const IdentityRecord& identity, grpc::ServerContextBase& context,
                                     std::function<void(const absl::Status&)> end) {
  grpc_call_ref(context.c_call());
  std::shared_ptr<grpc_call> handle(context.c_call(), grpc_call_unref);
  MutexLock lock(mutex_);
  const int64_t id = ++last_id_;
  calls_[id] = {identity, std::move(end), std::move(handle)};
  return std::shared_ptr<void>(this, [id](void* self) { static_cast<OpenCalls*>(self)->Remove(id); });
}

void OpenCalls::Remove(int64_t id) {
  Call removed;  // destroyed without the lock: it may own the last reference to what `end` uses
  MutexLock lock(mutex_);
  const auto found = calls_.find(id);
  removed = std::move(found->second);
  calls_.erase(found);
}

void OpenCalls::EndInvalid() {
  std::vector<std::function<void()>> ends;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_->Monotonic();
    for (auto& [id, call] : calls_) {
      if (call.cut) continue;
      const absl::Status status = identities_->CheckActive(call.identity);
      if (status.ok()) continue;
      if (!call.asked) {
        call.asked = now;
        if (call.end) ends.push_back([end = std::move(call.end), status] { end(status); });
      } else if (now - *call.asked >= kEndTime) {
        call.cut = true;
        ends.push_back([handle = call.handle, status] { Cut(handle.get(), status); });
      }
    }
  }
  for (const auto& end : ends) end();
}

}  // namespace quantlab
