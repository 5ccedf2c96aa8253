// Breaks the layers on purpose: check_layers must say so.
#include "base/error.hpp"
#include "store/store.hpp"
