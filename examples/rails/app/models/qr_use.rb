# qrgate: the calls of the login hook that were seen.
class QrUse < ApplicationRecord
end
