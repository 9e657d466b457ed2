"""The teacher's page: who is here, what runs, and what one visitor may take."""
