"""What people do with reports beside asking for them."""
