//! What the fuzz targets call: functions from bytes to a verdict, compiled as any other code.
