#include "mathf.h"
