#pragma once

#include <stdio.h>

#include "CCodecs.h"

static inline MocoStatus moco_fail(MocoMessage *message, MocoStatus status, const char *text) {
  snprintf(message->text, sizeof message->text, "%s", text);
  return status;
}
