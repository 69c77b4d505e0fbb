"""Prints how many bytes of each GPU are taken, by UUID as JSON; {} without GPUs. A process of its own, since it needs a
context on each of them, which takes memory too: as much each time.
"""

import ctypes
import json
import sys
import uuid


class Driver:
    def __init__(self):
        self._library = ctypes.CDLL("libcuda.so.1")

    def call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise OSError(f"{name} answers {code}")

    def count(self) -> int:
        self.call("cuInit", ctypes.c_uint(0))
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        return count.value

    def taken(self, index: int) -> tuple[str, int]:
        device, context, name = ctypes.c_int(), ctypes.c_void_p(), (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        self.call("cuDeviceGetUuid_v2", ctypes.byref(name), device)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return f"GPU-{uuid.UUID(bytes=bytes(name))}", total.value - free.value


if __name__ == "__main__":
    try:
        driver = Driver()
        print(json.dumps(dict(driver.taken(i) for i in range(driver.count()))))
    except OSError as e:
        print(f"device_memory: {e}", file=sys.stderr)
        print("{}")
