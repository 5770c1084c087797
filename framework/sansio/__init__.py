"""Bytes and text in, values out: nothing here awaits, reads or writes."""
