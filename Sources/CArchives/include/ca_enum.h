// Enums that Swift switches over without a default.
#pragma once

#define CA_CLOSED __attribute__((enum_extensibility(closed)))
/// A value's name in Swift.
#define CA_CASE(name) __attribute__((swift_name(#name)))
