// Runs forms of the oracle on the emulator. Each runs with all lanes, with odd lanes branched away
// and guarded, over edge values and random ones; lanes that do not take part must keep what they
// held.
#pragma once

#include "emulator/oracle.hpp"

namespace mtmc::emulator::oracle {

// What differs, one line for each form, empty when all are right.
std::vector<std::string> differences(const std::vector<Form>& forms);

}  // namespace mtmc::emulator::oracle
