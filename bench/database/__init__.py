"""What jobs cost the database: many that wait, many that have ended, their words."""
