"""What only pages share. The one room of this package that may import Streamlit."""
