"""Does the app work with the lowest and the highest versions that requirements.txt allows, and with the next ones?"""
