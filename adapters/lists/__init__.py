"""Sanctions lists as governments publish them: parsers of their files, and the importer that turns snapshots into events."""
