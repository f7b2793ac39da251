"""Pure: timelines become boxes, boxes answer questions. The ports that adapters fill are in `ports`."""
