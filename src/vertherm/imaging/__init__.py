"""Images and labels in and out, derived structures, synthetic lesions, the torso phantom."""
