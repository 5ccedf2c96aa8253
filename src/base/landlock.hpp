// Landlock by its three system calls (landlock(7)): Debian 12 has neither a library for it nor
// headers that know more than ABI 3. Internal to the sandbox.
#pragma once

#include <string>
#include <vector>

namespace mtmc {

// The kernel's Landlock ABI; 0 when it has none.
int landlock_abi();

// Restricts the calling thread and all it starts to the given paths; TCP, abstract sockets and
// signals to outsiders are closed where the ABI can. Returns an empty text, or what failed.
std::string restrict_with_landlock(int abi, const std::vector<std::string>& readable,
                                   const std::vector<std::string>& writable);

}  // namespace mtmc
