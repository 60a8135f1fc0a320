"""The plots, by what they are about. Importing this registers all of them."""
from plots import adventure, clever, everyday, friends, nature, wonder  # noqa: F401
