"""The CAM page: photos in, answers, what lies behind, own classes."""
