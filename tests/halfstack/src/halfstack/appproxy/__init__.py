"""The application proxy: which worker carries which circuit to which endpoint."""
