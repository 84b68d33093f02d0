"""Hikvision plate cameras: their own HTTP push (ISAPI `EventNotificationAlert`), as firmware really sends it."""
