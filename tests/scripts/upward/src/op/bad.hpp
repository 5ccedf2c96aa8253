// Breaks the layers on purpose: check_layers must say so.
#pragma once

#include "search/run.hpp"
