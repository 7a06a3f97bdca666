"""What leaves because something happened: notices to receivers outside."""
