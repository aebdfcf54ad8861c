"""The weight policy: features, reward, learning, promotion, training and inference."""
