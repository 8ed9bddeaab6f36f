# qrgate: the accepted calls of the login hook.
class QrUse < ApplicationRecord
end
