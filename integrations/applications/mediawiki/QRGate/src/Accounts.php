<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use Config;
use IDBAccessObject;
use MediaWiki\User\UserFactory;
use MediaWiki\User\UserIdentityLookup;
use User;

/**
 * Which accounts may use codes.
 */
class Accounts {
	/** Whoever has one of these rights can take other accounts over, or lock people out. */
	public const ADMINISTRATIVE_RIGHTS = [
		'userrights', 'userrights-interwiki', 'editinterface', 'editsitecss', 'editsitejs', 'edituserjs',
		'block', 'hideuser', 'suppressrevision',
	];

	private Config $config;
	private UserFactory $userFactory;
	private UserIdentityLookup $userIdentityLookup;
	private ?object $secondFactors;

	/**
	 * @param Config $config
	 * @param UserFactory $userFactory
	 * @param UserIdentityLookup $userIdentityLookup
	 * @param object|null $secondFactors OATHAuth's OATHUserRepository, where that extension is loaded
	 */
	public function __construct(
		Config $config, UserFactory $userFactory, UserIdentityLookup $userIdentityLookup, ?object $secondFactors
	) {
		$this->config = $config;
		$this->userFactory = $userFactory;
		$this->userIdentityLookup = $userIdentityLookup;
		$this->secondFactors = $secondFactors;
	}

	/**
	 * The account with this id if it may sign in by a code now, as the primary database has it.
	 *
	 * @param mixed $id a number as text
	 * @return User|null
	 */
	public function find( $id ): ?User {
		if ( !is_string( $id ) || !preg_match( '/^[1-9][0-9]{0,17}$/D', $id ) ) {
			return null;
		}
		$identity = $this->userIdentityLookup->getUserIdentityByUserId( (int)$id, IDBAccessObject::READ_LATEST );
		if ( !$identity ) {
			return null;
		}
		$user = $this->userFactory->newFromUserIdentity( $identity );
		return $this->mayUseCodes( $user, IDBAccessObject::READ_LATEST ) ? $user : null;
	}

	/**
	 * @param User $user
	 * @param int $freshness IDBAccessObject::READ_*
	 * @return bool
	 */
	public function mayUseCodes( User $user, int $freshness = IDBAccessObject::READ_NORMAL ): bool {
		return $user->isNamed()
			&& !$user->isSystemUser()
			&& !$this->isShutOut( $user, $freshness )
			&& !$this->hasSecondFactor( $user )
			&& ( $this->config->get( 'QRGateAllowAdministrators' )
				|| !$user->isAllowedAny( ...self::ADMINISTRATIVE_RIGHTS ) );
	}

	/** Blocked from the whole site, as all are who are hidden, or locked globally (CentralAuth). */
	private function isShutOut( User $user, int $freshness ): bool {
		$block = $user->getBlock( $freshness );
		return ( $block && $block->isSitewide() )
			|| ( method_exists( $user, 'isLocked' ) && $user->isLocked() );
	}

	/** A code cannot replace the second factor that OATHAuth asks for at each sign-in. */
	private function hasSecondFactor( User $user ): bool {
		if ( !$this->secondFactors ) {
			return false;
		}
		$factors = $this->secondFactors->findByUser( $user );
		return method_exists( $factors, 'isTwoFactorAuthEnabled' )
			? $factors->isTwoFactorAuthEnabled()
			: $factors->getModule() !== null;
	}
}
