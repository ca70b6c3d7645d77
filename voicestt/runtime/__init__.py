"""Time, threads and measurement, without any knowledge of telephony."""
