"""Everything of the library that touches another system; each room names its third party at the top."""
