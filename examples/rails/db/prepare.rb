# Creates the tables and the accounts on the first start.
require_relative "../config/environment"

ActiveRecord::Base.connection.execute("pragma journal_mode = wal")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:users) { |t| t.string :name; t.boolean :active } unless table_exists?(:users)
  # qrgate: the accepted calls of the login hook.
  create_table(:qr_uses) { |t| t.string :key, index: { unique: true }; t.datetime :created_at } unless table_exists?(:qr_uses)
end
# The passwords are the names: never do this in a real site. cleo's account is deactivated.
{ "ana" => true, "bob" => true, "cleo" => false }.each { |name, active| User.find_or_create_by!(name: name) { |user| user.active = active } }
