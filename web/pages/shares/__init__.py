"""Pages of shares: the owner's, where they are made and taken back, and what others see behind a link."""
