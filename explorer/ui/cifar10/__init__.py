"""The CIFAR-10 page: networks as drawings, pictures, mistakes."""
