import logging
import warnings

logging.getLogger("tests.applications").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", "The 'use_signer' option is deprecated")
