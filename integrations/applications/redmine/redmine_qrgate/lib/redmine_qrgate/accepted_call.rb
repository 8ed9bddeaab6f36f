# frozen_string_literal: true

module RedmineQrgate
  # The accepted calls, in Redmine's table `tokens`, whose column `value` is unique. All processes and hosts share it, and
  # the plugin needs no migration.
  class AcceptedCall < ActiveRecord::Base
    self.table_name = Token.table_name

    ACTION = 'qrgate_call'

    # Whether the key is new. One statement without a transaction: with SQLite another thread of this process would wait
    # for the transaction's end and keep it from ending.
    def self.add(key, seconds)
      where(action: ACTION).where('created_on < ?', seconds.seconds.ago).delete_all
      insert!({ action: ACTION, value: Digest::SHA256.hexdigest(key).first(40), created_on: Time.now, updated_on: Time.now })
      true
    rescue ActiveRecord::RecordNotUnique
      false
    end
  end
end
