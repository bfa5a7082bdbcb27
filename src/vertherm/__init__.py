"""Vertherm: planning and prediction of microwave ablation of spinal tumours.

Research software, not a medical device. Importing this package is light: heavy libraries load where they are used.
"""

__version__ = "0.1.0"
RESEARCH_NOTICE = "Research use only. Not a medical device. A qualified person decides."
