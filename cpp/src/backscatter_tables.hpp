#pragma once

#include <span>

#include "backscatter_parts.hpp"
#include "cemvis/backscatter.hpp"

namespace cemvis {

// Throws std::invalid_argument if the solid is empty or a number of it is out of range.
void check_solid(std::span<const TargetElement> solid);

// Fills the tables for a beam's energy; returns the range in g/cm2.
double fill_tables(std::span<const TargetElement> solid, double energy_kev, RangeTables& tables);

}  // namespace cemvis
